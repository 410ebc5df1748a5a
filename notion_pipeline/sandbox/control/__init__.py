"""What only tests need: faults on request, switches, routes that steer the server."""
