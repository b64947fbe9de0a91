"""Runs through a Batch API: requests in files, answers hours later."""
