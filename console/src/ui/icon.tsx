// Small line icons, drawn on a 16×16 grid in the colour of the text around them.
const kPaths = {
  search: "M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9zM10.3 10.3L14 14",
  close: "M4 4l8 8M12 4l-8 8",
  down: "M4 6.5l4 4l4-4",
  right: "M6.5 4l4 4l-4 4",
  left: "M9.5 4l-4 4l4 4",
  first: "M12 4l-4 4l4 4M5 4v8",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "M3.5 8.5l3 3l6-7",
  download: "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M3 13.5h10",
  settings:
    "M2.5 5h6.5M12.5 5h1M2.5 11h1M7 11h6.5M9 5a1.75 1.75 0 1 0 3.5 0a1.75 1.75 0 1 0-3.5 0M3.5 11a1.75 1.75 0 1 0 3.5 0a1.75 1.75 0 1 0-3.5 0",
  stop: "M4 4h8v8H4z",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  folder: "M2 4h4l1.5 1.5H14v7.5H2z",
  image: "M2.5 3h11v10h-11zM2.5 11l3.5-3.5l3 3l1.5-1.5l3 3M10 6.25h.5",
  plus: "M8 3.5v9M3.5 8h9",
  minus: "M3.5 8h9",
  fit: "M2.5 6v-3.5h3.5M10 2.5h3.5v3.5M13.5 10v3.5h-3.5M6 13.5h-3.5v-3.5",
  layers: "M8 2.5l6 3l-6 3l-6-3zM2 8.5l6 3l6-3",
  loop: "M3 8a5 5 0 0 1 8.7-3.4L13 6M13 2.5V6H9.5M13 8a5 5 0 0 1-8.7 3.4L3 10M3 13.5V10h3.5",
} as const;

export type IconName = keyof typeof kPaths;

export function Icon({ name, size = 14 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={kPaths[name]} />
    </svg>
  );
}
