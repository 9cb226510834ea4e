"""What labs share: the job, sampling in batches, pictures, films and pages. Each lab has a folder of its own."""
