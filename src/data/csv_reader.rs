//! Delimited text: CSV with quotes, or fields between blanks; gzip or plain; with or without a header line.

use std::fs::File;
use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};
use flate2::read::MultiGzDecoder;
use rayon::prelude::*;

use super::columns::{places, places_without_header};
use super::field::Field;
use super::line_blocks::{Block, LineBlocks};
use super::rows::{Address, Consumer, Reading};
use super::source::Delimiter;
use crate::error::{Error, Result};

/// Counts what is read from disk, under any decompression.
struct Counted<'a, 'r> {
    file: File,
    reading: &'a Reading<'r>,
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.reading.advance(n as u64);
        Ok(n)
    }
}

/// A text file whose columns have been found.
struct Opened<'a, 'r> {
    layout: Layout<'a, 'r>,
    blocks: Box<dyn Iterator<Item = Result<Block>> + Send + 'a>,
}

/// Opens one text file; nothing when it has no rows.
fn open<'a, 'r>(reading: &'a Reading<'r>, file_ix: usize, gzip: bool) -> Result<Option<Opened<'a, 'r>>> {
    let path = &reading.files[file_ix];
    let delimiter = reading.source.delimiter;
    let file = File::open(path).map_err(|e| Error::io("open the input file", path, e))?;
    let counted = Counted { file, reading };
    let stream: Box<dyn Read + Send + '_> =
        if gzip { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) };
    let quoted = matches!(delimiter, Delimiter::Byte(_));
    let mut blocks = LineBlocks::new(stream, reading.block_bytes, quoted, path.display().to_string());

    let Some(first) = blocks.next() else { return Ok(None) };
    let mut first = first?;
    if first.bytes.starts_with(b"\xef\xbb\xbf") {
        first.bytes.drain(..3);
        first.offset += 3;
    }
    let Some((names, after_names)) = first_record(&first.bytes, delimiter) else { return Ok(None) };
    let places = if reading.source.header {
        let skipped = first.bytes[..after_names].iter().filter(|b| **b == b'\n').count();
        first.bytes.drain(..after_names);
        first.first_line += skipped as u64;
        first.offset += after_names as u64;
        places(&reading.wanted, &names, path, Some(delimiter))?
    } else {
        places_without_header(&reading.wanted, &names, path, delimiter)?
    };
    let layout = Layout { reading, file_ix, places, names_seen: names.len() };
    Ok(Some(Opened { layout, blocks: Box::new(std::iter::once(Ok(first)).chain(blocks)) }))
}

/// Reads one text file, its blocks on all cores.
pub(super) fn read<C: Consumer>(
    reading: &Reading<'_>,
    file_ix: usize,
    gzip: bool,
    consumer: &(impl Fn() -> C + Sync),
) -> Result<()> {
    let Some(Opened { layout, blocks }) = open(reading, file_ix, gzip)? else { return Ok(()) };
    blocks.par_bridge().try_for_each(|block| {
        let mut rows = consumer();
        layout.read_block(&block?, &mut rows);
        rows.finish()?;
        reading.tell();
        Ok(())
    })
}

/// Reads one text file, some blocks at a time on all cores, and hands on the consumers in the order of rows until `each` says no;
/// says whether it never did.
pub(super) fn read_in_order<C: Consumer + Send>(
    reading: &Reading<'_>,
    file_ix: usize,
    gzip: bool,
    consumer: &(impl Fn() -> C + Sync),
    each: &mut dyn FnMut(C) -> Result<bool>,
) -> Result<bool> {
    let Some(Opened { layout, mut blocks }) = open(reading, file_ix, gzip)? else { return Ok(true) };
    loop {
        let some: Vec<Block> = blocks.by_ref().take(reading.blocks_at_once()).collect::<Result<_>>()?;
        if some.is_empty() {
            return Ok(true);
        }
        let read: Vec<C> = some
            .into_par_iter()
            .map(|block| {
                let mut rows = consumer();
                layout.read_block(&block, &mut rows);
                Ok::<_, Error>(rows)
            })
            .collect::<Result<_>>()?;
        for rows in read {
            if !each(rows)? {
                return Ok(false);
            }
        }
        reading.tell();
    }
}

/// The fields of the first record that is not blank, and where the record after it begins.
fn first_record(bytes: &[u8], delimiter: Delimiter) -> Option<(Vec<String>, usize)> {
    match delimiter {
        Delimiter::Byte(byte) => {
            let mut reader = delimited(byte, bytes);
            let mut record = ByteRecord::new();
            // Reading from memory into bytes with `flexible` has no way to fail.
            let found = reader.read_byte_record(&mut record).unwrap_or(false);
            let fields = record.iter().map(|f| String::from_utf8_lossy(f).trim().to_owned()).collect();
            // The reader stops between the `\r` and the `\n` of a line end.
            let mut after = reader.position().byte() as usize;
            if after > 0 && bytes[after - 1] == b'\r' && bytes.get(after) == Some(&b'\n') {
                after += 1;
            }
            found.then_some((fields, after))
        }
        Delimiter::Whitespace => {
            let mut after = 0;
            for line in bytes.split_inclusive(|b| *b == b'\n') {
                after += line.len();
                let text = String::from_utf8_lossy(line);
                let fields: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                if !fields.is_empty() {
                    return Some((fields, after));
                }
            }
            None
        }
    }
}

fn delimited(delimiter: u8, bytes: &[u8]) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes)
}

/// Which field of a line is which wanted column, in one file.
struct Layout<'a, 'r> {
    reading: &'a Reading<'r>,
    file_ix: usize,
    places: Vec<usize>,
    names_seen: usize,
}

impl Layout<'_, '_> {
    fn read_block<C: Consumer>(&self, block: &Block, rows: &mut C) {
        match self.reading.source.delimiter {
            Delimiter::Byte(byte) => self.read_delimited(block, byte, rows),
            Delimiter::Whitespace => self.read_between_blanks(block, rows),
        }
    }

    fn read_delimited<C: Consumer>(&self, block: &Block, delimiter: u8, rows: &mut C) {
        let mut reader = delimited(delimiter, &block.bytes);
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            let start = record.position().map_or(0, csv::Position::byte) as usize;
            let line = record.position().map_or(1, csv::Position::line) - 1;
            // A record is said to begin where the one before it ended: step over the line end and blank lines in between.
            let gap = block.bytes[start..].iter().take_while(|b| matches!(b, b'\r' | b'\n'));
            let (mut skipped, mut skipped_lines) = (0, 0);
            for byte in gap {
                skipped += 1;
                skipped_lines += u64::from(*byte == b'\n');
            }
            let at = Address {
                file: self.file_ix,
                place: block.offset + (start + skipped) as u64,
                line: block.first_line + line + skipped_lines,
            };
            let is_blank = record.iter().all(<[u8]>::is_empty) && record.len() <= 1;
            if !is_blank {
                self.hand_on(at, |place| record.get(place), record.len(), rows);
            }
        }
    }

    fn read_between_blanks<C: Consumer>(&self, block: &Block, rows: &mut C) {
        let mut place = block.offset;
        let mut fields: Vec<&[u8]> = Vec::new();
        for (i, line) in block.bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            fields.clear();
            fields.extend(line.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty()));
            let at = Address { file: self.file_ix, place, line: block.first_line + i as u64 };
            place += line.len() as u64;
            if !fields.is_empty() {
                self.hand_on(at, |p| fields.get(p).copied(), fields.len(), rows);
            }
        }
    }

    fn hand_on<'f, C: Consumer>(
        &self,
        at: Address,
        field: impl Fn(usize) -> Option<&'f [u8]>,
        seen: usize,
        rows: &mut C,
    ) {
        // Seven own columns at most in practice; extra columns rarely take it past this.
        let mut fields = [Field::Missing; 16];
        let mut many = Vec::new();
        let out = if self.places.len() <= fields.len() {
            &mut fields[..self.places.len()]
        } else {
            many.resize(self.places.len(), Field::Missing);
            &mut many[..]
        };
        for ((out, &place), wanted) in out.iter_mut().zip(&self.places).zip(&self.reading.wanted) {
            let Some(bytes) = field(place) else {
                let reason = format!("the row has {seen} fields, the first one had {}", self.names_seen);
                return rows.malformed(at, &wanted.column.to_string(), "", &reason);
            };
            match std::str::from_utf8(bytes) {
                Ok(text) => *out = Field::from_text(text),
                Err(_) => {
                    let value = String::from_utf8_lossy(bytes);
                    return rows.malformed(at, &wanted.column.to_string(), &value, "is not UTF-8 text");
                }
            }
        }
        rows.row(at, out);
    }
}
