"""What experiments and benchmarks share: inputs, harness, scores, tables, records."""
