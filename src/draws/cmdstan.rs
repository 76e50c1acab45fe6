//! Other people's draws: CmdStan's CSV files, one chain each, as arrays.
//!
//! Comment lines begin with `#` and say how the chain was run; then comes a header (`lp__`, other sampler columns that end in `__`, the
//! parameters with their indices after dots: `theta.1.2`), then a row per draw. Every complaint names the file and the line. Nothing
//! here knows what the numbers mean, nor writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3};

use crate::error::{Error, Result};
use crate::target::{Schema, Variable};

/// CmdStan's sampler columns and what they are called here.
const STATS: [(&str, &str); 7] = [
    ("lp__", "lp"),
    ("accept_stat__", "acceptance_rate"),
    ("energy__", "energy"),
    ("divergent__", "diverging"),
    ("n_leapfrog__", "n_steps"),
    ("stepsize__", "step_size"),
    ("treedepth__", "tree_depth"),
];

/// What [`STATS`] does not have: made of the tree depth and the depth that the comments name.
const CAPPED: &str = "reached_max_treedepth";

/// The chains of several files.
#[derive(Debug, Clone, PartialEq)]
pub struct Chains {
    /// Names, dimensions and labels of the values; labels are Stan's indices, from 1. There are no unconstrained coordinates.
    pub schema: Schema,
    /// `[chain, draw, Schema::size()]`, after warm-up.
    pub values: Array3<f64>,
    /// Sample statistics by ArviZ's names, each `[chain, draw]`, as far as the files have them.
    pub stats: Vec<(&'static str, Array2<f64>)>,
    /// What was left out, in sentences.
    pub notes: Vec<String>,
}

/// Reads the chains of `files`, one each, in their order.
///
/// # Errors
/// No files; a file that is no CmdStan CSV of samples; headers or numbers of draws that differ; a cell that is no number.
pub fn read_cmdstan(files: &[PathBuf]) -> Result<Chains> {
    let read: Vec<OneFile> = files.iter().map(|path| OneFile::read(path)).collect::<Result<_>>()?;
    let Some(first) = read.first() else {
        return Err(Error::new("there are no files of draws to read").advice("name CmdStan's CSV files, one per chain"));
    };
    for other in &read[1..] {
        same(first, other)?;
    }
    no_chain_twice(&read)?;
    let (schema, order) = schema(&first.header);
    let (chains, draws, width) = (read.len(), first.draws(), first.header.len());
    let cell = |c: usize, t: usize, column: usize| read[c].cells[t * width + column];
    let values = Array3::from_shape_fn((chains, draws, order.len()), |(c, t, k)| cell(c, t, order[k]));
    let column = |name: &str| first.header.iter().position(|h| h == name);
    let mut stats: Vec<(&'static str, Array2<f64>)> = Vec::new();
    for (theirs, ours) in STATS {
        if let Some(at) = column(theirs) {
            stats.push((ours, Array2::from_shape_fn((chains, draws), |(c, t)| cell(c, t, at))));
        }
    }
    let depths: Option<Vec<f64>> = read.iter().map(|f| f.number("max_depth")).collect();
    if let (Some(at), Some(depths)) = (column("treedepth__"), depths) {
        let capped = |(c, t): (usize, usize)| f64::from(u8::from(cell(c, t, at) >= depths[c]));
        stats.push((CAPPED, Array2::from_shape_fn((chains, draws), capped)));
    }
    Ok(Chains { schema, values, stats, notes: read.into_iter().flat_map(|f| f.notes).collect() })
}

/// That two files are chains of one fit.
fn same(first: &OneFile, other: &OneFile) -> Result<()> {
    if first.header != other.header {
        let place = format!("{}:{}", other.path.display(), other.header_line);
        let column = (0..first.header.len().max(other.header.len()))
            .find(|&i| first.header.get(i) != other.header.get(i))
            .unwrap_or(0);
        let named = |f: &OneFile| f.header.get(column).map_or_else(|| "nothing".to_owned(), |n| format!("`{n}`"));
        return Err(Error::new(format!(
            "column {} of the header should be {}, as in {}",
            column + 1,
            named(first),
            first.path.display()
        ))
        .at(place)
        .seen(named(other))
        .advice("give the chains of one model only"));
    }
    if first.draws() != other.draws() {
        return Err(Error::new(format!(
            "the chain should have {} draws after warm-up, as many as {}",
            first.draws(),
            first.path.display()
        ))
        .at(format!("{}:{}", other.path.display(), other.last_line))
        .seen(other.draws())
        .advice("wait until every chain has finished, or leave this one out"));
    }
    Ok(())
}

/// That no chain is counted twice: two chains with the same numbers throughout are one. Chains that never move may be alike.
fn no_chain_twice(read: &[OneFile]) -> Result<()> {
    let moves = |file: &OneFile| {
        let mut rows = file.cells.chunks(file.header.len().max(1));
        rows.next().is_some_and(|first| rows.any(|row| row != first))
    };
    let bits = |file: &OneFile| file.cells.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let mut seen = std::collections::HashMap::new();
    for file in read.iter().filter(|file| moves(file)) {
        if let Some(before) = seen.insert(bits(file), &file.path) {
            return Err(Error::new("the file holds the same draws as another: one chain, which must not count twice")
                .at(file.path.display())
                .seen(format!("equal to {}", before.display()))
                .advice("name every chain once; chains of one fit differ by their seed or their id"));
        }
    }
    Ok(())
}

/// One chain as its file has it.
struct OneFile {
    path: PathBuf,
    header: Vec<String>,
    header_line: usize,
    last_line: usize,
    /// Row after row, after warm-up.
    cells: Vec<f64>,
    settings: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl OneFile {
    fn read(path: &Path) -> Result<Self> {
        let failed = |e| Error::io("read the draws", path, e);
        let mut from = BufReader::with_capacity(1 << 20, File::open(path).map_err(failed)?);
        let mut out = Self {
            path: path.to_owned(),
            header: vec![],
            header_line: 0,
            last_line: 0,
            cells: vec![],
            settings: BTreeMap::new(),
            notes: vec![],
        };
        let (mut line, mut number, mut adapted) = (String::new(), 0, None);
        loop {
            line.clear();
            if from.read_line(&mut line).map_err(|e| failed(e).at(format!("{}:{}", path.display(), number + 1)))? == 0 {
                break;
            }
            number += 1;
            let (text, whole) = (line.trim(), line.ends_with('\n'));
            if let Some(comment) = text.strip_prefix('#') {
                if comment.trim() == "Adaptation terminated" {
                    adapted = Some(out.rows());
                } else if let Some((key, value)) = comment.split_once('=') {
                    let value = value.trim().trim_end_matches("(Default)").trim();
                    out.settings.insert(key.trim().to_owned(), value.to_owned());
                }
            } else if out.header.is_empty() {
                if !text.is_empty() {
                    out.take_header(text, number)?;
                }
            } else if !text.is_empty() {
                out.take_row(text, number, whole)?;
            }
        }
        out.finish(adapted)?;
        Ok(out)
    }

    fn rows(&self) -> usize {
        self.cells.len() / self.header.len().max(1)
    }

    fn draws(&self) -> usize {
        self.rows()
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.settings.get(key)?.parse().ok()
    }

    fn take_header(&mut self, text: &str, line: usize) -> Result<()> {
        if let Some(method) = self.settings.get("method").filter(|m| *m != "sample") {
            return Err(Error::new("these are no samples of a posterior")
                .at(self.path.display())
                .seen(format!("method = {method}"))
                .advice("give what CmdStan's `sample` wrote"));
        }
        self.header = text.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect();
        self.header_line = line;
        let mut sorted: Vec<&String> = self.header.iter().collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::new("two columns have one name").at(self.place(line)).seen(format!("`{}`", twice[0])));
        }
        let numeric = self.header.iter().find(|name| name.is_empty() || name.parse::<f64>().is_ok());
        if let Some(name) = numeric {
            return Err(Error::new("the first line that is no comment should name the columns")
                .at(self.place(line))
                .seen(format!("`{name}`"))
                .advice("give CmdStan's own CSV files, header included"));
        }
        if self.header.iter().all(|name| name.ends_with("__")) {
            return Err(Error::new("the header names no parameter").at(self.place(line)).seen(text));
        }
        Ok(())
    }

    fn take_row(&mut self, text: &str, line: usize, whole: bool) -> Result<()> {
        let before = self.cells.len();
        if !whole {
            self.notes.push(format!(
                "{}: the last line has no end, as in a chain that is still running: its draw was rejected, for its last number may be cut \
                 short",
                self.place(line)
            ));
            return Ok(());
        }
        self.last_line = line;
        for (ix, cell) in text.split(',').enumerate() {
            let Ok(value) = cell.trim().parse::<f64>() else {
                let name = self.header.get(ix).map_or("beyond the header", String::as_str);
                self.cells.truncate(before);
                return Err(Error::new(format!("column {} ({name}) should be a number", ix + 1))
                    .at(self.place(line))
                    .seen(format!("`{}`", cell.trim())));
            };
            self.cells.push(value);
        }
        let found = self.cells.len() - before;
        if found != self.header.len() {
            self.cells.truncate(before);
            return Err(Error::new(format!(
                "the row should have {} numbers, as the header has names",
                self.header.len()
            ))
            .at(self.place(line))
            .seen(found)
            .advice("a chain that was killed leaves such a row: remove it, or run the chain again"));
        }
        Ok(())
    }

    /// Drops warm-up, which stands before the comment that adaptation is over.
    fn finish(&mut self, adapted: Option<usize>) -> Result<()> {
        if self.header.is_empty() {
            return Err(Error::new("there is no header, so there are no draws")
                .at(self.path.display())
                .advice("give CmdStan's CSV files, one per chain; a chain that has just begun has none yet"));
        }
        let saved = self.settings.get("save_warmup").is_some_and(|v| v == "1" || v == "true");
        if saved {
            let (warmup, thin) = (self.number("num_warmup").unwrap_or(0.0), self.number("thin").unwrap_or(1.0));
            let expected = (warmup / thin.max(1.0)).ceil() as usize;
            let rows = adapted.filter(|rows| *rows > 0).unwrap_or(expected).min(self.rows());
            self.cells.drain(..rows * self.header.len());
            self.notes.push(format!("{}: {rows} draws of the warm-up were left out", self.path.display()));
        }
        if self.rows() == 0 {
            return Err(Error::new("the chain has no draws after warm-up")
                .at(self.path.display())
                .advice("wait until it has some, or leave the file out"));
        }
        Ok(())
    }
}

/// The variables of a header, and the column of every value in the schema's order (the last index fastest; CmdStan's first is).
fn schema(header: &[String]) -> (Schema, Vec<usize>) {
    /// Indices of an element, and its column.
    type Cell = (Vec<usize>, usize);
    let mut variables: Vec<(&str, Vec<Cell>)> = Vec::new();
    for (column, name) in header.iter().enumerate().filter(|(_, name)| !name.ends_with("__")) {
        let mut parts = name.split('.');
        let base = parts.next().unwrap_or_default();
        let indices: Option<Vec<usize>> = parts.map(|p| p.parse().ok().filter(|i| *i > 0)).collect();
        let (base, indices) = indices.map_or((name.as_str(), vec![]), |indices| (base, indices));
        match variables.iter_mut().find(|(known, _)| *known == base) {
            Some((_, cells)) => cells.push((indices, column)),
            None => variables.push((base, vec![(indices, column)])),
        }
    }
    let (mut schema, mut order) = (Schema::default(), Vec::new());
    for (base, mut cells) in variables {
        cells.sort();
        let Some(shape) = grid(&cells) else {
            // Not a whole array: every column by its own name.
            cells.sort_by_key(|(_, column)| *column);
            for (_, column) in cells {
                schema.variables.push(Variable { name: header[column].clone(), dims: vec![] });
                order.push(column);
            }
            continue;
        };
        let dims: Vec<String> = (0..shape.len()).map(|k| format!("{base}_dim_{k}")).collect();
        for (dim, len) in dims.iter().zip(&shape) {
            schema.coords.insert(dim.clone(), (1..=*len).map(|i| i.to_string()).collect());
        }
        schema.variables.push(Variable { name: base.to_owned(), dims });
        order.extend(cells.iter().map(|(_, column)| *column));
    }
    (schema, order)
}

/// The shape of an array whose cells, sorted by index, are all there.
fn grid(cells: &[(Vec<usize>, usize)]) -> Option<Vec<usize>> {
    let shape = cells.last()?.0.clone();
    let whole = shape.iter().product::<usize>() == cells.len();
    let mut distinct = cells.windows(2).all(|pair| pair[0].0 != pair[1].0);
    distinct &= cells.iter().all(|(at, _)| at.len() == shape.len() && at.iter().zip(&shape).all(|(i, n)| i <= n));
    (whole && distinct).then_some(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "lp__,accept_stat__,stepsize__,treedepth__,n_leapfrog__,divergent__,energy__,mu,theta.1.1,theta.2.1,theta.1.2,theta.2.2\n";

    fn row(x: f64) -> String {
        format!("-1,0.9,0.5,{},7,0,2,{x},11,21,12,22\n", if x > 2.0 { 10 } else { 3 })
    }

    fn read(texts: &[String]) -> Result<Chains> {
        let folder = tempfile::tempdir().expect("a folder");
        let files: Vec<PathBuf> = (0..texts.len()).map(|i| folder.path().join(format!("chain-{i}.csv"))).collect();
        for (file, text) in files.iter().zip(texts) {
            std::fs::write(file, text).expect("a file");
        }
        read_cmdstan(&files)
    }

    fn refused(texts: &[&str]) -> String {
        let texts: Vec<String> = texts.iter().map(|t| (*t).to_owned()).collect();
        read(&texts).expect_err("it is to be refused").to_string()
    }

    #[test]
    fn arrays_come_row_by_row_and_warm_up_goes() {
        let file = |save: &str| {
            format!(
                "# method = sample (Default)\n#   num_warmup = 2\n#   save_warmup = {save}\n#   thin = 1 (Default)\n#  max_depth = 10 (Default)\n\
                 {HEADER}{}{}# Adaptation terminated\n# Step size = 0.5\n{}{}#  Elapsed Time: 0.1 seconds\n",
                row(0.5),
                row(0.7),
                row(1.5),
                row(2.5)
            )
        };
        let found = read(&[file("1"), file("true").replace("1.5", "1.25")]).expect("chains");
        assert_eq!(found.values.dim(), (2, 2, 5));
        // CmdStan's first index runs fastest, ours the last.
        assert_eq!(found.values.slice(ndarray::s![1, 0, ..]).to_vec(), [1.25, 11.0, 12.0, 21.0, 22.0]);
        assert_eq!(found.schema.variables[1].dims, ["theta_dim_0", "theta_dim_1"]);
        assert_eq!(found.notes.len(), 2);
        let capped = found.stats.iter().find(|(name, _)| *name == CAPPED).expect("the depth limit is known");
        assert_eq!(capped.1.row(0).to_vec(), [0.0, 1.0]);
        assert_eq!(read(&[file("0")]).expect("chains").values.dim(), (1, 4, 5));
    }

    #[test]
    fn floats_come_as_they_were_written() {
        for x in [f64::NAN, f64::INFINITY, -1e-300, 0.1 + 0.2, f64::MIN_POSITIVE / 8.0] {
            let found = read(&[format!("lp__,x\n0,{x}\n")]).expect("chains");
            assert_eq!(found.values[[0, 0, 0]].to_bits(), x.to_bits());
        }
    }

    #[test]
    fn a_line_without_end_is_rejected_and_told() {
        let found = read(&["lp__,x\n0,1\n0,2\n0,3.14".to_owned()]).expect("chains");
        assert_eq!(found.values.dim(), (1, 2, 1));
        assert!(found.notes[0].contains("chain-0.csv:4") && found.notes[0].contains("rejected"), "{:?}", found.notes);
    }

    #[test]
    fn complaints_name_file_and_line() {
        for (texts, words) in [
            (&["lp__,x\n0,1\n", "# a\nlp__,y\n0,1\n"][..], &["chain-1.csv:2", "column 2", "`x`", "`y`"][..]),
            (&["lp__,x\n0,1\n0,2\n", "lp__,x\n0,1\n"], &["chain-1.csv:2", "2 draws", "found 1"]),
            (&["lp__,x\n0,1\n0\n0,2\n"], &["chain-0.csv:3", "2 numbers", "found 1"]),
            (&["lp__,x\n0,1\n0,abc\n"], &["chain-0.csv:3", "column 2 (x)", "`abc`"]),
            (&["0.1,0.2\n0,1\n"], &["chain-0.csv:1", "name the columns"]),
            (&["lp__,x,x\n0,1,1\n"], &["chain-0.csv:1", "one name", "`x`"]),
            (&["# method = variational\nlp__,x\n0,1\n"], &["chain-0.csv", "variational"]),
            (&["lp__,x\n"], &["chain-0.csv", "no draws"]),
            (&["# nothing\n"], &["chain-0.csv", "no header"]),
            (&[], &["no files"]),
        ] {
            let said = refused(texts);
            assert!(words.iter().all(|w| said.contains(w)), "{words:?} in: {said}");
        }
    }

    #[test]
    fn what_is_no_whole_array_keeps_its_names() {
        let found = read(&["lp__,a.1,a.3,z.re\n0,1,2,3\n".to_owned()]).expect("chains");
        let names: Vec<&str> = found.schema.variables.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["a.1", "a.3", "z.re"]);
    }
}
