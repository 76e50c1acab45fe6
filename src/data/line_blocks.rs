//! A text stream cut into blocks of whole records, each with the number of its first line, so that blocks can be read on any
//! number of threads and still name exact lines. Nothing here knows what a column is.

use std::io::Read;

use crate::error::{Error, Result};

/// A block that has found no end of a record after so many bytes is not a table.
const LONGEST_RECORD: usize = 256 << 20;

/// Whole records of a text stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The records, line ends included.
    pub(super) bytes: Vec<u8>,
    /// Number of the first line, from 1.
    pub(super) first_line: u64,
    /// Bytes of the (decompressed) stream before the block.
    pub(super) offset: u64,
}

/// Cuts a stream into blocks.
pub(super) struct LineBlocks<R> {
    stream: R,
    /// The beginning of a record whose end was not in the last block.
    carry: Vec<u8>,
    block_bytes: usize,
    /// Whether a line end between quotes belongs to the field.
    quoted: bool,
    line: u64,
    offset: u64,
    ended: bool,
    place: String,
}

impl<R: Read> LineBlocks<R> {
    /// Blocks of about `block_bytes` of `stream`, which is called `place` in errors.
    pub(super) fn new(stream: R, block_bytes: usize, quoted: bool, place: String) -> Self {
        Self { stream, carry: Vec::new(), block_bytes, quoted, line: 1, offset: 0, ended: false, place }
    }

    fn read_block(&mut self) -> Result<Option<Block>> {
        let mut bytes = std::mem::take(&mut self.carry);
        let mut target = self.block_bytes.max(bytes.len());
        loop {
            if !self.ended {
                let missing = (target - bytes.len()) as u64;
                let before = bytes.len();
                self.stream.by_ref().take(missing).read_to_end(&mut bytes).map_err(|e| {
                    Error::new("could not read the input file")
                        .at(&self.place)
                        .advice("a truncated or damaged file (for .gz: test it with gzip -t) reads like this")
                        .because(e)
                })?;
                self.ended = ((bytes.len() - before) as u64) < missing;
            }
            if self.ended {
                break;
            }
            if let Some(end) = end_of_last_record(&bytes, self.quoted) {
                self.carry = bytes.split_off(end);
                break;
            }
            if bytes.len() > LONGEST_RECORD {
                return Err(Error::new("a record does not end within 256 MiB")
                    .at(format!("{}:{}", self.place, self.line))
                    .advice("look for a quote that is opened and never closed, or a file that is not a text table"));
            }
            target = 2 * bytes.len() + 1;
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let block = Block { first_line: self.line, offset: self.offset, bytes };
        self.line += block.bytes.iter().filter(|b| **b == b'\n').count() as u64;
        self.offset += block.bytes.len() as u64;
        Ok(Some(block))
    }
}

impl<R: Read> Iterator for LineBlocks<R> {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.read_block().transpose();
        if matches!(block, Some(Err(_))) {
            self.ended = true;
            self.carry.clear();
        }
        block
    }
}

/// Where the last record that ends in `bytes` ends, if one does. `bytes` begins at the beginning of a record.
///
/// A quote toggles between inside and outside of a field, which is exact for quoted fields (an escaped quote is two of them). A
/// bare quote in an unquoted field misleads it only into making one longer block.
fn end_of_last_record(bytes: &[u8], quoted: bool) -> Option<usize> {
    if !(quoted && bytes.contains(&b'"')) {
        return bytes.iter().rposition(|b| *b == b'\n').map(|at| at + 1);
    }
    let mut inside = false;
    let mut end = None;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => inside = !inside,
            b'\n' if !inside => end = Some(at + 1),
            _ => {}
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(text: &str, size: usize, quoted: bool) -> Vec<Block> {
        LineBlocks::new(text.as_bytes(), size, quoted, "t".into()).map(Result::unwrap).collect()
    }

    #[test]
    fn blocks_are_whole_lines_and_know_their_number() {
        let text: String = (1..=50).map(|i| format!("line {i}\n")).collect::<String>() + "no line end";
        for size in [1, 7, 8, 9, 64, 10_000] {
            let all = blocks(&text, size, true);
            assert_eq!(all.iter().flat_map(|b| b.bytes.clone()).collect::<Vec<u8>>(), text.as_bytes());
            for block in &all {
                let first = std::str::from_utf8(&block.bytes).unwrap().lines().next().unwrap();
                let number = first.strip_prefix("line ").map_or(51, |n| n.parse().unwrap());
                assert_eq!(block.first_line, number, "size {size}");
                assert_eq!(text.find(first), Some(block.offset as usize));
            }
        }
        assert!(blocks("", 8, true).is_empty());
    }

    #[test]
    fn a_quoted_line_end_does_not_end_a_record() {
        let text = "a,\"x\ny\"\nb,\"z\"\"\n\"\nc,d\n";
        for size in 1..30 {
            for block in blocks(text, size, true) {
                assert!(matches!(block.bytes[0], b'a' | b'b' | b'c'), "size {size}: {block:?}");
                let before = &text[..block.offset as usize];
                assert_eq!(block.first_line as usize, 1 + before.matches('\n').count());
            }
        }
        assert_eq!(blocks(text, 9, true)[1].first_line, 3);
        assert!(blocks(text, 1, false).iter().any(|b| b.bytes[0] == b'y'), "without quoting the line end counts");
    }

    #[test]
    fn a_quote_that_never_closes_makes_one_block() {
        let text = "a,5\" pipe\nb,c\nd,e\n";
        assert_eq!(blocks(text, 4, true).len(), 1);
    }
}
