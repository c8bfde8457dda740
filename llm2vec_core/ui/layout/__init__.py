"""What stands around the tabs: the header, the sidebar, links to a view."""
