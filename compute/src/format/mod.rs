//! File formats: one file per format, reader and writer. Knows arrow, not tables.
