"""Catalogs of tests: where they are kept, former ones, small ones, lakes."""
