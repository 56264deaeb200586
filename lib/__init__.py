"""Helpers of the numbered notebooks: measurement, comparison and the report."""
