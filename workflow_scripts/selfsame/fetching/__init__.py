"""Fetching datasets: where they lie, a download that resumes, and the check of what came."""
