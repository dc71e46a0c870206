/**
 * A doubly linked list whose members can leave in O(1), wherever they stand.
 *
 * @module
 */

/** A member's place. Made once; in one list or in none. */
export class ListNode<T> {
  readonly value: T;
  /** For {@linkcode LinkedList} alone. */
  previous: ListNode<T> | null = null;
  /** For {@linkcode LinkedList} alone. */
  next: ListNode<T> | null = null;
  /** The list it is in. For {@linkcode LinkedList} alone. */
  list: LinkedList<T> | null = null;

  constructor(value: T) {
    this.value = value;
  }
}

/** Members in the order in which they came. */
export class LinkedList<T> implements Iterable<T> {
  #first: ListNode<T> | null = null;
  #last: ListNode<T> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The member that came first. */
  get first(): T | undefined {
    return this.#first?.value;
  }

  /** The member that came last. */
  get last(): T | undefined {
    return this.#last?.value;
  }

  /** Adds a member behind the others. */
  push(node: ListNode<T>): void {
    node.list = this;
    node.previous = this.#last;
    if (this.#last === null) this.#first = node;
    else this.#last.next = node;
    this.#last = node;
    this.#size++;
  }

  /** Adds a member in front of the others. */
  unshift(node: ListNode<T>): void {
    node.list = this;
    node.next = this.#first;
    if (this.#first === null) this.#last = node;
    else this.#first.previous = node;
    this.#first = node;
    this.#size++;
  }

  /** Removes a member. @returns Whether it was here. */
  remove(node: ListNode<T>): boolean {
    if (node.list !== this) return false;
    if (node.previous === null) this.#first = node.next;
    else node.previous.next = node.next;
    if (node.next === null) this.#last = node.previous;
    else node.next.previous = node.previous;
    node.list = node.previous = node.next = null;
    this.#size--;
    return true;
  }

  /** Removes the member that came first. */
  shift(): T | undefined {
    const node = this.#first;
    if (node === null) return undefined;
    this.remove(node);
    return node.value;
  }

  /** Removes the member that came last. */
  pop(): T | undefined {
    const node = this.#last;
    if (node === null) return undefined;
    this.remove(node);
    return node.value;
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (let node = this.#first; node !== null; node = node.next) yield node.value;
  }
}
