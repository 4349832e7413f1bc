"""What a person looks at: tables, pictures, and a page of HTML with both."""
