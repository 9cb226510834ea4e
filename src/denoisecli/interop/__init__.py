"""Other tools' formats: what they write into pictures, and what they can load."""
