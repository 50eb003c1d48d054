"""Parts that several tests share: servers, samples, waiting."""
