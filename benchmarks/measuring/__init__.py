"""What the benchmark scripts share: timing, results files, speech, tables, plots."""
