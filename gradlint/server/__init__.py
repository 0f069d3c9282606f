"""The language server: what editors show while a file is being written, unsaved text and notebooks included.

    open documents --documents--> a snapshot --checking--> findings --protocol--> diagnostics, hovers, quick fixes

pygls speaks the protocol; it comes with the extra `lsp` and is imported only here. Analyses run in one thread beside the
loop that answers the editor, a moment after the last key was pressed.
"""
