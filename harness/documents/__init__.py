"""Texts and the data in them: YAML that remembers its lines, shapes that say what a file may have, nouns as JSON.

In: the text of a file or a record.
Out: plain data, or nouns, or an error that says where and what is allowed.
Enter: whoever reads or writes a document; it knows the nouns and nothing else of ours.
"""
