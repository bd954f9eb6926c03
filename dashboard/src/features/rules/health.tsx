import { Dot } from "../../components/Dot";

const looks: Readonly<Record<string, { text: string; color: string; help: string }>> = {
  ok: { text: "OK", color: "success.main", help: "Its last evaluation gave a result." },
  failing: { text: "Failing", color: "error.main", help: "Its last evaluation failed." },
};

/** Whether a rule can be evaluated. */
export function Health({ health, error }: { health: string | undefined; error: string | undefined }) {
  const look = looks[health ?? ""] ?? {
    text: "Not evaluated yet",
    color: "text.secondary",
    help: "It waits for its first evaluation.",
  };
  return (
    <Dot color={look.color} title={error ?? look.help}>
      {look.text}
    </Dot>
  );
}
