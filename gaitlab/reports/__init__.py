"""What experiments came to, as people read it: tables with intervals, pictures, pages, files. No Ray here."""
