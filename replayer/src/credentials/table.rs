//! The table of `--credentials FILE.csv`: a row is a user.
//!
//! A life of a client keeps its row: row = (hash(client) + copy) mod rows, the same on every machine and in every run.
//! Copies of one client therefore have different rows as long as there are at least as many rows as copies; different
//! clients may share one.

use std::io::Read;
use std::path::Path;

use formats::model::ClientKey;

use super::{CredentialsError, is_header_value};
use crate::rewrite::{HeaderFault, check_header_name, percent_encode};
use crate::secret::Secret;

/// Longest file that is read: a million rows of tokens fit.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Most columns; a request has no use for more.
const COLUMNS_MAX: usize = 64;

/// Where a column's values go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// A header of this name is set.
    Header(String),
    /// One cookie inside the `Cookie` header.
    Cookie(String),
    /// One key of the query; its values are percent-encoded already.
    Query(String),
}

/// All rows.
#[derive(Debug, Clone)]
pub struct Credentials {
    columns: Vec<Column>,
    /// Row by row.
    cells: Vec<Secret>,
    rows: u64,
}

impl Credentials {
    /// Reads a file. A row for each user, the first row names where the values go: a header (`Authorization`),
    /// `cookie:NAME` or `query:NAME`. At most 1 GiB and 64 columns.
    ///
    /// # Errors
    /// With the file and the line, never with a value.
    pub fn read(path: &Path) -> Result<Self, CredentialsError> {
        let failed = |source| CredentialsError::Read { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > FILE_BYTES_MAX {
            let limit = std::io::Error::other(format!("it is longer than {FILE_BYTES_MAX} bytes"));
            return Err(failed(limit));
        }
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).map_err(failed)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
            CredentialsError::Line { path: path.to_owned(), line, what: "not UTF-8".to_owned() }
        })?;
        Self::parse(&text, path)
    }

    /// Reads the text of such a file; `path` is for errors.
    ///
    /// # Errors
    /// With the file and the line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, CredentialsError> {
        let line_error = |line: u64, what: String| CredentialsError::Line { path: path.to_owned(), line, what };
        let of_csv = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            let what = match error.kind() {
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                    format!("{len} values, but the header row names {expected_len} columns")
                }
                _ => "not CSV".to_owned(),
            };
            line_error(line, what)
        };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text.as_bytes());
        let mut columns = Vec::new();
        for name in reader.headers().map_err(of_csv)? {
            let column = column(name).map_err(|what| line_error(1, what))?;
            if columns.iter().any(|known| is_same(known, &column)) {
                return Err(line_error(1, format!("the column `{name}` is there twice")));
            }
            columns.push(column);
        }
        if columns.len() > COLUMNS_MAX {
            return Err(line_error(1, format!("{} columns are more than {COLUMNS_MAX}", columns.len())));
        }
        let (mut cells, mut rows) = (Vec::new(), 0);
        for record in reader.records() {
            let record = record.map_err(of_csv)?;
            let line = record.position().map_or(1, csv::Position::line);
            for (column, value) in columns.iter().zip(record.iter()) {
                cells.push(cell(column, value).map_err(|what| line_error(line, what))?);
            }
            rows += 1;
        }
        if rows == 0 {
            return Err(CredentialsError::NoRows { path: path.to_owned() });
        }
        Ok(Self { columns, cells, rows })
    }

    /// Where the values go, in the order of the file.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many users there are; at least 1.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The row of a life of a client, from 0.
    #[must_use]
    pub fn row(&self, client: ClientKey, copy: u32) -> u64 {
        // The id is a keyed hash already; the source is mixed in since ids of two sources may be equal.
        let source =
            client.source.name().bytes().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let hash = (client.id ^ source.wrapping_mul(0x9e37_79b9_7f4a_7c15)) % self.rows;
        (hash + u64::from(copy) % self.rows) % self.rows
    }

    /// A value of a row.
    #[must_use]
    pub fn cell(&self, row: u64, column: usize) -> Option<&Secret> {
        let row = usize::try_from(row).ok()?;
        self.cells.get(row.checked_mul(self.columns.len())?..)?.get(..self.columns.len())?.get(column)
    }
}

fn column(name: &str) -> Result<Column, String> {
    if let Some(cookie) = name.strip_prefix("cookie:") {
        return match check_header_name(cookie) {
            // A cookie's name is a token too (RFC 6265 §4.1.1), but any token will do.
            Err(HeaderFault::NoToken) => Err(format!("`{cookie}` is no name of a cookie")),
            _ => Ok(Column::Cookie(cookie.to_owned())),
        };
    }
    if let Some(key) = name.strip_prefix("query:") {
        return if key.is_empty() {
            Err("`query:` names no key".to_owned())
        } else {
            Ok(Column::Query(key.to_owned()))
        };
    }
    match check_header_name(name) {
        Ok(()) => Ok(Column::Header(name.to_owned())),
        Err(fault) => Err(format!("the column `{name}` {fault}")),
    }
}

/// Names of headers are the same in any case, names of cookies and keys are not.
fn is_same(one: &Column, other: &Column) -> bool {
    match (one, other) {
        (Column::Header(one), Column::Header(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

fn cell(column: &Column, value: &str) -> Result<Secret, String> {
    let bad = |what: &str| Err(format!("the value of {} {what}", describe(column)));
    if value.is_empty() {
        return bad("is empty");
    }
    if value.contains(['\n', '\r']) {
        return bad("goes over several lines; is a quote before it not closed?");
    }
    match column {
        Column::Header(_) if !is_header_value(value.as_bytes()) => {
            bad("has control characters in it or white space around it")
        }
        Column::Cookie(_) if !value.bytes().all(is_cookie_octet) => {
            bad("has a character that no cookie may have (white space, control, `;` or `,`)")
        }
        Column::Query(_) => Ok(Secret::new(&percent_encode(value.as_bytes()))),
        _ => Ok(Secret::new(value.as_bytes())),
    }
}

/// RFC 6265 §4.1.1, with quotes and backslashes let through, since browsers send them.
fn is_cookie_octet(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !matches!(byte, b';' | b',')
}

fn describe(column: &Column) -> String {
    match column {
        Column::Header(name) => format!("`{name}`"),
        Column::Cookie(name) => format!("`cookie:{name}`"),
        Column::Query(name) => format!("`query:{name}`"),
    }
}
