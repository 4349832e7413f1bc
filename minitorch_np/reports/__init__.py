"""What a person looks at: tables, and later pictures and a page."""
