"""The CloudWatch custom widget as HTML. Pure: it takes what was found, and gives text."""
