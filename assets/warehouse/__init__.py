"""From the lake to the sealed DuckDB file: inputs, the dbt build, the seal."""
