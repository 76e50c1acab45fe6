//! The log of an unattended command: one line per event, as JSON that Cloud Logging understands (`time`, `severity`, `message`, and the
//! event's own fields), or as text for people.

use std::fmt;
use std::io::Write;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::Terminal;

/// Writes events: JSON to standard output, text to standard error.
struct Journal {
    json: bool,
}

/// Begins the log of this process. A second call changes nothing.
pub(super) fn begin(terminal: Terminal) {
    let journal = tracing_subscriber::registry().with(Journal { json: terminal.json });
    // Where a log is kept already, that one stays.
    let _ = tracing::subscriber::set_global_default(journal);
}

/// An event's fields, in the order in which they were written.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.put(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let of = event.metadata();
        if *of.level() > Level::INFO || !of.target().starts_with("longrun") {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = line(self.json, *of.level(), &Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true), fields);
        // A log that nobody reads any more is no reason to end the night.
        let _ = if self.json {
            writeln!(std::io::stdout().lock(), "{line}")
        } else {
            writeln!(std::io::stderr().lock(), "{line}")
        };
    }
}

/// One line of the log.
fn line(json: bool, level: Level, time: &str, fields: Fields) -> String {
    let severity = match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        _ => "INFO",
    };
    if !json {
        let mark = if level == Level::INFO { String::new() } else { format!("{severity}: ") };
        return format!("{time} {mark}{}", fields.message);
    }
    let mut object = Map::new();
    object.insert("time".to_owned(), time.into());
    object.insert("severity".to_owned(), severity.into());
    object.insert("message".to_owned(), fields.message.into());
    object.extend(fields.others);
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Cloud Logging lifts out of a line, see "Structured logging" in its documentation: `severity`, `message`, `time`.
    #[test]
    fn a_line_is_what_cloud_logging_reads_and_people_too() {
        let mut fields = Fields { message: "two\nlines \"quoted\"".to_owned(), ..Fields::default() };
        fields.others.insert("event".to_owned(), "note".into());
        let json = line(true, Level::WARN, "2026-11-22T02:00:00.000Z", fields);
        assert!(!json.contains('\n'), "one line per event: {json}");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["severity"], "WARNING");
        assert_eq!(read["message"], "two\nlines \"quoted\"");
        assert_eq!(read["time"], "2026-11-22T02:00:00.000Z");
        assert_eq!(read["event"], "note");
        let fields = Fields { message: "refit".to_owned(), ..Fields::default() };
        assert_eq!(line(false, Level::INFO, "02:00", fields), "02:00 refit");
    }
}
