"""The Batch API: files of requests up, files of answers down."""
