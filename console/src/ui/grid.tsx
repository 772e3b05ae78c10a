// A table that draws only the rows in view. Columns are CSS grid tracks, so header and rows agree
// without measuring; roles tell assistive technology that it is a table.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, type KeyboardEvent, type MouseEvent, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "./icon";

export interface Column<Row, Key extends string = string> {
  key: Key;
  title: string;
  /** A CSS grid track: `120px`, `minmax(160px, 2fr)`. */
  width: string;
  align?: "right";
  sortable?: boolean;
  render: (row: Row) => ReactNode;
}

interface GridProps<Row, Key extends string> {
  label: string;
  columns: readonly Column<Row, Key>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  rowHeight: number;
  selected?: string | undefined;
  /** A click anywhere in a row. A row's first cell also holds a link or button, for the keyboard. */
  onOpen?: (row: Row) => void;
  sort?: { key: Key; order: "asc" | "desc" };
  onSort?: (key: Key, order: "asc" | "desc") => void;
  /** Shown instead of rows when there are none. */
  empty?: ReactNode;
}

export function Grid<Row, Key extends string>(props: GridProps<Row, Key>) {
  const { columns, rows, rowKey, rowHeight } = props;
  const scroller = useRef<HTMLDivElement>(null);
  // The virtualizer's functions change behind the same object; this component only reads them here.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    getItemKey: (index) => {
      const row = rows[index];
      return row === undefined ? index : rowKey(row);
    },
  });
  const template = { gridTemplateColumns: columns.map((column) => column.width).join(" ") };

  const open = (row: Row) => (event: MouseEvent<HTMLElement>) => {
    // Links in cells do their own work, and selecting text is not a click.
    if ((event.target as HTMLElement).closest("a, button")) return;
    if (getSelection()?.toString()) return;
    props.onOpen?.(row);
  };

  // Up and down move between the rows' links, as in a list.
  const move = (event: KeyboardEvent<HTMLElement>) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const here = (event.target as HTMLElement).closest<HTMLElement>("[aria-rowindex]");
    if (step === 0 || !here) return;
    const index = Number(here.getAttribute("aria-rowindex")) + step;
    const next = scroller.current?.querySelector<HTMLElement>(
      `[aria-rowindex="${index}"] :is(a, button)`,
    );
    if (!next) return;
    event.preventDefault();
    next.focus();
  };

  return (
    <div className="grid" ref={scroller}>
      <div
        role="table"
        aria-label={props.label}
        aria-rowcount={rows.length + 1}
        className="grid-table"
        onKeyDown={move}
      >
        <div role="rowgroup" className="grid-head">
          <div role="row" className="grid-row" style={template} aria-rowindex={1}>
            {columns.map((column) => (
              <HeaderCell
                key={column.key}
                column={column}
                order={props.sort?.key === column.key ? props.sort.order : undefined}
                onSort={props.onSort}
              />
            ))}
          </div>
        </div>
        {rows.length > 0 && (
          <div role="rowgroup" className="grid-body" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const row = rows[item.index];
              if (row === undefined) return null;
              const key = rowKey(row);
              return (
                <div
                  key={key}
                  role="row"
                  aria-rowindex={item.index + 2}
                  aria-current={key === props.selected ? "true" : undefined}
                  className={props.onOpen ? "grid-row grid-row-open" : "grid-row"}
                  style={{
                    ...template,
                    height: rowHeight,
                    transform: `translateY(${item.start}px)`,
                  }}
                  onClick={open(row)}
                >
                  {columns.map((column) => (
                    <div
                      key={column.key}
                      role="cell"
                      className={column.align === "right" ? "grid-cell grid-right" : "grid-cell"}
                    >
                      {column.render(row)}
                    </div>
                  ))}
                </div>
              );
            })}
          </div>
        )}
      </div>
      {rows.length === 0 && props.empty}
    </div>
  );
}

interface HeaderCellProps<Row, Key extends string> {
  column: Column<Row, Key>;
  order: "asc" | "desc" | undefined;
  onSort: ((key: Key, order: "asc" | "desc") => void) | undefined;
}

function HeaderCell<Row, Key extends string>({ column, order, onSort }: HeaderCellProps<Row, Key>) {
  const { t } = useTranslation();
  const sorted = order === "asc" ? "ascending" : order === "desc" ? "descending" : "none";
  const sortable = column.sortable === true && onSort !== undefined;
  return (
    <div
      role="columnheader"
      aria-sort={sortable ? sorted : undefined}
      className={column.align === "right" ? "grid-cell grid-right" : "grid-cell"}
    >
      {sortable ? (
        <button
          type="button"
          className={order ? "sort sort-on" : "sort"}
          title={t("runs.sort_by", { column: column.title })}
          onClick={() => onSort(column.key, order === "desc" ? "asc" : "desc")}
        >
          {column.title}
          <span className={order === "asc" ? "sort-mark sort-up" : "sort-mark"}>
            <Icon name="down" size={12} />
          </span>
        </button>
      ) : (
        column.title
      )}
    </div>
  );
}
