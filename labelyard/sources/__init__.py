"""Where new objects come from: queues, the webhook, the watcher, bucket listings; and setting up notifications."""
