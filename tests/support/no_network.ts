/**
 * No network for the tests of a file that imports this: what they need is mocked, or is a test server. A
 * dial that is blocked fails its test, also where the test takes the error for something else.
 *
 * @module
 */
import assert from "node:assert/strict";
import { disableNetwork } from "../../testing/mod.ts";
import { afterEachTest } from "./harness.ts";

const network = disableNetwork();

afterEachTest(() => assert.deepEqual(network.blocked, [], "the network is disabled here"));
