"""Readers: one module per file format behind `protocol.read_file`; what a column means is not known here."""
