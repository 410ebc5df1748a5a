"""Tests of the words: page content and what stands beside it."""
