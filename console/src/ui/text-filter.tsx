import { Input } from "antd";
import { useEffect, useState } from "react";
import { Icon } from "./icon";

const kWait = 250;

interface TextFilterProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
}

/** A search field that tells of its text once typing pauses. */
export function TextFilter({ label, value, onChange }: TextFilterProps) {
  const [text, setText] = useState(value);
  const [known, setKnown] = useState(value);
  // The address changed by other means (back, clear): follow it.
  if (value !== known) {
    setKnown(value);
    setText(value);
  }
  useEffect(() => {
    if (text === known) return;
    const timer = setTimeout(() => {
      setKnown(text);
      onChange(text);
    }, kWait);
    return () => clearTimeout(timer);
  }, [text, known, onChange]);
  return (
    <Input
      className="text-filter"
      type="search"
      prefix={<Icon name="search" />}
      aria-label={label}
      placeholder={label}
      allowClear
      value={text}
      onChange={(event) => setText(event.target.value)}
    />
  );
}
