"""Object storage over S3: list, read ahead, write, and inspect images."""
