"""Work: what runs in the boxes, as argv and parsers; nothing here knows a backend."""
