"""Reports of runs: web pages, tables, pictures and recorded episodes."""
