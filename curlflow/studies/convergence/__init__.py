"""When learning reaches an error, and which rule is faster."""
