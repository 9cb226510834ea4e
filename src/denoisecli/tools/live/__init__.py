"""The live deck: one offline HTML file in which the pocket model samples on the reader's machine."""
