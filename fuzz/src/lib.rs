//! What the fuzz targets check; `formats/tests/corpus.rs` runs the same checks without instrumentation.

pub mod checks;
