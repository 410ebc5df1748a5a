"""What the tests of content share."""
