"""What every API family shares: uploads, the HTML pages, the control endpoint and the faults of requests."""
