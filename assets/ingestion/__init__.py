"""From landing/ to the lake: readers, mapping, pseudonyms, deliveries."""
