"""Who is whose root: resolution, its counts, strongly connected components."""
