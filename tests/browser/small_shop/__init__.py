"""A month of a small shop: copied into a project and run there, it fills the project's log."""
