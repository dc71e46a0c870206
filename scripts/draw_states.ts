/**
 * Writes `docs/states.md` from the state tables.
 *
 *     deno run -A scripts/draw_states.ts
 *
 * @module
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "./run_program.ts";
import { drawStates } from "./state_drawing.ts";

await writeFile(join(root, "docs/states.md"), drawStates());
