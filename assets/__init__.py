"""What is built, in the order data flows: ingestion, warehouse, analysis, publishing."""
