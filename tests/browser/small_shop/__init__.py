"""A small shop and a month of its life; written into a project and run there, it fills the project's log."""
