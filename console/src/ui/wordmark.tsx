/** The sail and the name. */
export function Wordmark({ large = false }: { large?: boolean }) {
  const size = large ? 30 : 20;
  return (
    <span className={large ? "wordmark wordmark-large" : "wordmark"}>
      <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
        <path d="M15 3v20H4C9 18 13 11 15 3z" fill="currentColor" />
        <path d="M18 8c4 4 7 9 8 15h-8z" fill="currentColor" opacity=".55" />
        <path d="M3 26h26c-1.5 2.5-3.5 4-6 4H9c-2.5 0-4.5-1.5-6-4z" fill="currentColor" />
      </svg>
      <span>Regatta</span>
    </span>
  );
}
