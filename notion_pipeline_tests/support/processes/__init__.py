"""What tests that start processes, servers or a browser share."""
