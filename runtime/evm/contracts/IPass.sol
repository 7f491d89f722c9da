// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";

/// @title Subscriptions: ERC-1155 passes that expire
/// @notice A provider registers a class of passes: what a period costs, how long it is, how far ahead
/// it may be bought. A holder buys or renews periods; the tokens go from the buyer to the provider in
/// the same call, so this contract never holds any.
///
/// A pass stays with who bought it: transfers between accounts revert. What is sold is the holder's
/// time until `expiresAt(id, holder)`, and providers count a daily quota for each holder; a pass that
/// moved would take the time of one account along with the quota of another, and one subscription
/// passed around would serve any number of people.
///
/// The token of a holder is minted with the first period and stays: `balanceOf` says that somebody
/// has ever bought, `expiresAt` alone says whether it counts now.
interface IPass is IERC1155 {
    /// @notice A class as it was registered; it never changes, so that nobody pays another price than was seen.
    /// @param provider who is paid; zero where there is no such class
    /// @param period seconds of one period
    /// @param ahead most periods that a pass may reach ahead of now
    /// @param token what is paid with
    /// @param quota most calls of one day (UTC) for one holder; 0 for any number. Counted by the provider; here
    /// it stands where nobody can change it after the sale
    /// @param price of one period, in the token's smallest unit
    struct PassClass {
        address provider;
        uint48 period;
        uint32 ahead;
        address token;
        uint64 quota;
        uint128 price;
    }

    event Registered(uint256 indexed id, address indexed provider, uint64 number, PassClass terms);
    event Bought(uint256 indexed id, address indexed holder, uint32 periods, uint256 paid, uint48 expiresAt);

    /// @notice Period, price, token or periods ahead are zero or too large.
    error BadClass();
    /// @notice The number is taken by a class of other terms.
    error OtherTerms(uint256 id);
    error UnknownClass(uint256 id);
    /// @notice Nothing is bought, or more than `most` periods ahead.
    error BadPeriods(uint32 periods, uint32 most);
    /// @notice A pass does not move from its holder.
    error Soulbound();

    /// @notice Registers a class of the caller; the same terms again change nothing.
    function register(uint64 number, address token, uint128 price, uint48 period, uint32 ahead, uint64 quota)
        external
        returns (uint256 id);

    /// @notice Buys or renews `periods` for the caller, from now or from the end of what it has.
    /// Draws `price * periods` of the class's token from the caller, who has approved it.
    function buy(uint256 id, uint32 periods) external returns (uint48 until);

    /// @notice Second from which the holder's pass no longer counts; 0 where none was bought.
    function expiresAt(uint256 id, address holder) external view returns (uint48);

    function classOf(uint256 id) external view returns (PassClass memory);

    /// @notice The hash of provider and number.
    function idOf(address provider, uint64 number) external pure returns (uint256);
}
