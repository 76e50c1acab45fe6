//! A tree as one CSV file. Numbers are written in the shortest form that reads back as the same f64; what is no number is `NaN`, `inf`
//! or `-inf`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::table::Table;
use super::{CHAIN, DRAW, Progress, Tree, Values, failed};
use crate::error::Result;

/// Writes `tree` into the new file `path`; returns its bytes.
///
/// # Errors
/// A file that cannot be written, or groups that make no table.
pub fn write_csv(tree: Tree<'_>, path: &Path, progress: &mut Progress<'_>) -> Result<u64> {
    let mut table = Table::of(tree)?;
    let io = |e| failed(path, e);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).map_err(io)?);
    let names = [CHAIN, DRAW].into_iter().chain(table.columns.iter().map(|c| c.name.as_str()));
    csv::Writer::from_writer(&mut file).write_record(names).map_err(|e| io(std::io::Error::other(e)))?;
    let (mut line, mut number, mut done) = (Vec::new(), zmij::Buffer::new(), 0);
    while let Some(rows) = table.next()? {
        for (row, (chain, draw)) in rows.labels.iter().enumerate() {
            line.clear();
            line.extend_from_slice(format!("{chain},{draw}").as_bytes());
            for column in &table.columns {
                line.push(b',');
                let place = rows.place(column, row);
                match rows.values_of(column) {
                    Values::F64(v) => line.extend_from_slice(number.format(v[place]).as_bytes()),
                    Values::I64(v) => line.extend_from_slice(v[place].to_string().as_bytes()),
                    Values::Bool(v) => line.extend_from_slice(if v[place] { b"true" } else { b"false" }),
                    Values::Text(v) => line.extend_from_slice(quoted(&v[place]).as_bytes()),
                }
            }
            line.push(b'\n');
            file.write_all(&line).map_err(io)?;
        }
        done += rows.values();
        progress(done);
    }
    let file = file.into_inner().map_err(|e| io(e.into_error()))?;
    file.sync_all().map_err(io)?;
    Ok(file.metadata().map_err(io)?.len())
}

/// A field of text, in quotes (RFC 4180).
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
