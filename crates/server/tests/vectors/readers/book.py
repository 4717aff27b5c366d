"""What openpyxl reads in a workbook, as JSON: the sheets with their panes and widths, and the rows of the first."""

import json
import sys

import openpyxl

book = openpyxl.load_workbook(sys.argv[1])
sheets = [{"name": sheet.title, "rows": sheet.max_row, "frozen": sheet.freeze_panes,
           "width": sheet.column_dimensions["J"].width, "bold": sheet["A1"].font.b} for sheet in book]
rows = [[{"type": cell.data_type, "value": str(cell.value), "format": cell.number_format} for cell in row]
        for row in book.worksheets[0].iter_rows()]
print(json.dumps({"sheets": sheets, "rows": rows}))
