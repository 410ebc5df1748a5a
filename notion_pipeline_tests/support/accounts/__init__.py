"""What the tests of accounts and OAuth share."""
